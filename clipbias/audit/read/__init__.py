"""Files to logs, one module a form. Every reader is bounded in what it reads and keeps."""
