"""The terminal put together: the one place that knows every part and hands them to each other."""
