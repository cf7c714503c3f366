-- A list by name that is filtered by status or temperature skips rows by the index alone, and reads only those of its page.
drop index leads_by_first_name;
drop index leads_by_last_name;
create index leads_by_first_name on leads (organization_id, first_name_key, id, status, temperature) where archived_at is null;
create index leads_by_last_name on leads (organization_id, last_name_key, id, status, temperature) where archived_at is null;
