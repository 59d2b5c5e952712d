"""The company's own log-in: an OpenID provider, asked by the authorization code flow. The extra `rollout[oidc]`.

settings  OpenIdSettings  whom to ask, and what groups give
openid    OpenIdProvider  what the console asks: where to send a browser, who came back
fetching  Found           the provider's own description and keys, and its answer to a code
claims    Key             who a signed token says that somebody is
"""
