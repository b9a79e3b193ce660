"""What Python sees of texup; ``docs/api.md`` is its manual, and ``texup.__all__`` its list."""
