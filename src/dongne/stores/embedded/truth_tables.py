"""The tables of the truth, as SQL. A file of another SCHEMA_VERSION is refused."""

SCHEMA_VERSION = 1
SCHEMA = """
create table sequence (
  number integer primary key, count integer not null, kind integer not null, at_us integer not null,
  origin text not null, cause integer not null, body blob not null);
create index sequence_rare on sequence (number) where kind <> 1;
create table positions (reader text primary key, number integer not null) without rowid;
create table states (
  service text, thing integer, version integer not null, body blob not null, wakes blob not null, parked text not null,
  primary key (service, thing)) without rowid;
create table entities (type text, id integer, body blob not null, primary key (type, id)) without rowid;
create table last_ids (type text primary key, id integer not null) without rowid;
create table cases (
  id integer primary key, key text not null unique, kind text not null, thing integer, service text not null,
  is_open integer not null, body blob not null);
create index cases_open on cases (is_open, id);
create index cases_thing on cases (thing, id);
create table case_events (number integer primary key, case_id integer not null, body blob not null, hash text not null);
create index case_events_case on case_events (case_id, number);
create table tasks (
  id integer primary key, key text not null unique, thing integer not null, is_open integer not null,
  body blob not null);
create index tasks_thing on tasks (thing, id);
create table settings (service text, level text, body blob not null, primary key (service, level)) without rowid;
create table assets (
  service text, job text, thing integer, number integer not null, body blob not null,
  primary key (service, job, thing)) without rowid;
create table removals (number integer primary key, body blob not null);
create table latest (chunk integer primary key, body blob not null);
create table meta (name text primary key, value) without rowid;
"""
# Added later, and made where it is missing.
LATER = """
create table if not exists corrections (observation integer primary key, record integer not null, body blob not null);
create table if not exists notices (
  id integer primary key, key text not null unique, thing integer, case_key text not null, is_pending integer not null,
  body blob not null);
create index if not exists notices_pending on notices (is_pending, id);
create index if not exists notices_thing on notices (thing, id);
create index if not exists notices_case on notices (case_key, id);
"""
