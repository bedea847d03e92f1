"""The sale: a pure state machine (events in, effects out) and its one impure file, the runner."""
