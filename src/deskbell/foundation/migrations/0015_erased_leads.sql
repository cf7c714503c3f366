-- An erased lead is not just archived: nothing that restores an archived lead may bring it back.
alter table leads add column erased_at {instant} check (erased_at is null or archived_at is not null);
-- What was erased before is told by holding nothing but its name. The walls of PostgreSQL hide every row from the tables' owner.
--postgres: alter table leads no force row level security;
--postgres: alter table threads no force row level security;
update leads set erased_at = updated_at where archived_at is not null and first_name = 'Erased' and coalesce(last_name, phone, email, company, address_street, city, state, zip, temperature, notes) is null and cast(tags as text) = '[]' and length(cast(custom_fields as text)) = 2 and not exists (select 1 from threads where threads.organization_id = leads.organization_id and threads.lead_id = leads.id);
--postgres: alter table threads force row level security;
--postgres: alter table leads force row level security;
--sqlite: create trigger leads_stay_erased before update of erased_at on leads when old.erased_at is not null and new.erased_at is null begin select raise(abort, 'an erased lead stays erased'); end;
--postgres: create function deskbell_refuse_change() returns trigger language plpgsql as $$ begin raise exception 'an erased lead stays erased' using errcode = 'check_violation'; end $$;
--postgres: create trigger leads_stay_erased before update of erased_at on leads for each row when (old.erased_at is not null and new.erased_at is null) execute function deskbell_refuse_change();
