-- A recurring job is a row that comes due again; it remembers its last run.
alter table jobs add column interval_seconds bigint;
alter table jobs add column ran_at {instant};
create index jobs_failed on jobs (failed_at, id) where failed_at is not null;
