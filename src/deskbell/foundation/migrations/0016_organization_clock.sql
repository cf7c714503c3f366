alter table organizations add column clock_offset bigint not null default 0;
