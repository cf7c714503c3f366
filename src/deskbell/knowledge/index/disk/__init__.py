"""Indexes on disk, for knowledge bases that are too large for memory: postings in blocks and vectors in an HNSW graph, in the database.

Memory keeps what BM25 needs of each chunk (about 40 bytes), and the documents that are newer than the stored index.
"""
