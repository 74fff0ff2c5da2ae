"""Administration: who may do what, who is suspended, and the log of who decided that."""
