"""ccTalk: coin acceptors and bill validators with a table of their last five events."""
