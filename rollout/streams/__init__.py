"""Server-sent events: one process that holds many thousand connections open and tells each of them, in a line, that
flags changed. It tells which revision there is and when it was written, and never what a flag says, so a stream needs
to know nobody. The contract is OpenFeature's decision record 0008; docs/streams.md has it as ours.

    frames      bytes                what goes over a stream
    reading     RequestReader        one request, bounded, by h11
    replies     bytes                the head of a stream, and the short answers
    pace        Pace                 one after the other, when very many come at once
    hub         Hub                  all open streams: told, kept awake, counted
    connection  Connection           one client, from its first byte to its last
    server      open_server          listening
"""
