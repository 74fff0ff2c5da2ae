"""The tags of operations. Each operation has one."""

TAGS = {
    "Accounts": "Register, and change or prove what belongs to your account.",
    "Admin": "What moderators and admins do to users, and the audit log.",
    "Chats": "Open chats, and read which you are in.",
    "Exports": "An archive of what is held about you.",
    "Google": "Sign in with Google.",
    "Messages": "Send and read messages, and say what you have received and read.",
    "OAuth": "The endpoints of OAuth 2.0 and OpenID Connect, for programs and their users.",
    "OAuth clients": "Register programs, and see which ones you let in.",
    "Passkeys": "Add passkeys, and sign in by them.",
    "Push": "Push notifications to devices.",
    "Second factor": "Protect an account by an authenticator app and recovery codes.",
    "Service": "What the service says of itself.",
    "Sessions": "Sign in and out, and open sockets.",
    "Users": "Profiles, one's own and those of others.",
}
