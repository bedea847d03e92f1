"""ID003: the serial protocol of JCM note acceptors and of others that speak it too."""
