"""The control plane: one SQL database whose transactions hold everything that must happen together."""
