"""Files for users: documents, pages, pictures, and the golden files."""
