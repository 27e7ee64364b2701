"""The journal of destructions: what a restored backup must be made to forget again."""
