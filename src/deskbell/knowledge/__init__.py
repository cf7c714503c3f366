"""Knowledge bases: documents, their passages, and the search that finds them."""
