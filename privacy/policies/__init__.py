"""What may leave, as a file: one policy of fields, sinks and releases, refused with a sentence when it is dangerous."""

__all__: list[str] = []
