"""HTTP around the service: checks, the operator's desk, and what machines ask. It only translates; what happens is
decided in `service`.

    app        create_app, Parts      joins everything here to the parts that the bootstrap made
    checks     the client's calls     GET /v1/flags/{key} and all flags, thin around `evaluate`
    ofrep      OpenFeature's calls    the same evaluations in OpenFeature's words
    catch_up   who was told early     a moment for a worker that is behind what the stream told
    ruleset    GET /v1/ruleset        what clients fetch that evaluate by themselves
    fast_path  in front of Flask      usual checks: `usual` reads them, `prepared` has the bytes ready
    evaluate   queries in, bytes out  plain functions that know nothing of Flask
    admin      the operator's calls   status, explain, simulate, audit, set, advance, halt ... plan, apply
    openapi    /openapi.json ...      what can be called, made from the routes
    console    pages                  the desk in a browser
    asking     around the desk        how operators are answered, as JSON and on pages alike
    machines   /healthz ...           what load balancers and Prometheus ask
    reading    bodies, hosts          what of a request is read, and what is refused unread
    bodies     models                 what operators may send
    authorisation  needs, open_to_all   who may call what
    signed_context  ContextKeys         what an app's back end vouches for
    cross_origin  let_pages_ask         which web pages may ask
    errors     one table              from errors to HTTP status, always as JSON
    responses  JSON out               and the headers that are on every answer
"""
