"""Knowledge bases that are too large for memory: their terms in blocks and their vectors in a graph, in the database.

Memory keeps what BM25 wants of each chunk (about 40 bytes), and the documents that are newer than what is stored.
"""
