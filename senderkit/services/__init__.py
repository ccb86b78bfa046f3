"""What the product does: one file per subject, one transaction per call from outside.

Services take a session or connection and plain values; none of them knows Flask.
"""
