"""The part of geographiclib 2 that the tests use; the package ships no types."""
