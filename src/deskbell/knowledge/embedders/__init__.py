"""What turns texts into vectors: the offline default, and any OpenAI-compatible endpoint."""
