"""The official SDK behind our endpoint: the one package that imports it. It answers everything but the usual `tools/call`."""
