"""The tables of the sealed truth, as SQL. Whatever is called `body` is sealed.

In the clear lie numbers, kinds of records, times of arrival and subjects (the id of a home's Thing); the ids of entities; the names
of services, settings' levels and readers of the sequence. Keys of cases, tasks and notices speak ("home_alarm/17/fall/…"):
they are looked up by a keyed hash.
"""

SCHEMA_VERSION = 101  # never one of the embedded store: neither opens the other's file
SCHEMA = """
create table sequence (
  number integer primary key, count integer not null, kind integer not null, at_us integer not null,
  subject integer, before integer not null, body blob, digest blob, chain blob);
create index sequence_rare on sequence (number) where kind <> 1;
create table positions (reader text primary key, number integer not null) without rowid;
create table states (
  thing integer, service text, body blob not null, primary key (thing, service)) without rowid;
create table entities (
  type text, id integer, subject integer not null, body blob not null, primary key (type, id)) without rowid;
create index entities_subject on entities (subject);
create table last_ids (type text primary key, id integer not null) without rowid;
create table cases (
  id integer primary key, key blob not null unique, thing integer not null, is_open integer not null,
  body blob not null);
create index cases_open on cases (is_open, id);
create index cases_thing on cases (thing, id);
create table case_events (case_id integer, number integer, primary key (case_id, number)) without rowid;
create table tasks (
  id integer primary key, key blob not null unique, thing integer not null, is_open integer not null,
  body blob not null);
create index tasks_thing on tasks (thing, id);
create index tasks_open on tasks (is_open, id);
create table notices (
  id integer primary key, key blob not null unique, thing integer not null, is_pending integer not null,
  body blob not null, case_key blob not null);
create index notices_pending on notices (is_pending, id);
create index notices_thing on notices (thing, id);
create index notices_case on notices (case_key, id);
create table settings (service text, level text, subject integer not null, body blob not null,
  primary key (service, level)) without rowid;
create table assets (
  thing integer, service text, job text, number integer not null, primary key (thing, service, job)) without rowid;
create table removals (number integer primary key);
create table corrections (observation integer primary key, record integer not null);
create table latest (subject integer primary key, last integer not null, body blob);
create table withdrawn (subject integer primary key, at_us integer not null);
create table meta (name text primary key, value) without rowid;
"""
# A record of which nothing is left has no body; `digest` is that of the body it had, where there was one.
# `before` is the record of the same subject before this one: a home's own records are found without an index.
# `chain` is there on the last record of each commit.
