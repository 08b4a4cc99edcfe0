"""The event loop in front of every service: connections, policy, bodies and WebSockets."""
