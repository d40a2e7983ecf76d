"""What is done to servers: each kind of operation in a file, registered when the app is ready."""
