"""What each customer is expected to spend: by a child process, because the library that predicts it is large."""
