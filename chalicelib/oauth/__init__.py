"""The provider of OAuth 2.0 and OpenID Connect: users sign in to other programs with Parley.

`clients`: the registered programs. `authorize`: a program asks, and its user allows that.
`signing_in` and `pages`: how the user signs in, and what they see. `consents`: what users allowed.
`tokens`: what programs ask for themselves.
"""
