-- How scores of an embedder without a measured curve are read, as JSON.
alter table knowledge_bases add column calibration text;
