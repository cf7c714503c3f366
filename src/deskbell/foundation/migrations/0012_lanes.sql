-- Documents of many businesses take turns, and so do the knowledge bases of one.
alter table jobs add column lane text not null default 'any';
create index jobs_by_lane on jobs (queue, organization_id, lane, due_at, id) where failed_at is null;
