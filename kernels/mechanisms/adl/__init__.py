"""Auto-deleveraging: bankrupt positions closed against winners. docs/methods/adl.md.

Acts before the cascade, on what is bankrupt at the marks of round 0, where a venue's fund was
spent when the step began. It never enters a book.
"""
