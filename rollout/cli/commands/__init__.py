"""One module for each verb of `app.VERBS`: a click command called `command`, whose help begins with its line there."""
