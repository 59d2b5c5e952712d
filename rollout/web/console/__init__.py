"""The console: the desk in a browser, rendered here and whole without scripts. It decides nothing and knows nothing of
its own: each number comes from a document of the desk, each change goes through the desk as one by the API does.

    pages       what all pages share   templates, headers, banners, errors as pages
    words       documents in words     filters and rows for the templates
    marks       states, verdicts       with icon, word and colour, each made once
    drawing     charts                 guards' minutes as SVG
    forms       what forms send        and the proof that it was our own form
    sessions    who is logged in       by a cookie that names the key
    login       /login, /logout        with a key
    oidc        /login/oidc            by the company's own log-in
    live        what moved since       and where a page is told of it
    flag_list   /                      all flags, what most needs looking at first
    flag_page   /flags/{key}           one flag
    verbs       what can be done       halt, kill ..., in words
    dialogs     /flags/{key}/{verb}    asking, and carrying out
    explaining  /explain               why somebody has a flag or not
    activity    /activity              who changed what, also as CSV
    files       /config, /definitions  the file in force, plans, history, segments and guards
    servers     /servers               what was heard of servers, and what is wrong with the installation
    pending     /pending               changes that wait for approval
    keys        /keys                  callers' keys, for admins
"""

from rollout.web.console.blueprint import console
from rollout.web.console.forms import Seal
from rollout.web.console.sessions import Sessions

__all__ = ["Seal", "Sessions", "console"]
