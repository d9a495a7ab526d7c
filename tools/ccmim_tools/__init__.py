"""What is started from a command line: ``ccmim``, and ``tools/`` of a clone.

Apart from ``ccmim_mm``, which takes seconds to import: until a command line
is known to be right, and signals are listened to, nothing here imports it or
torch. It never imports this package.
"""
