-- Two roles for PostgreSQL 15 and newer, run by a superuser, as often as you like; compose.yaml runs it in a new database server:
--   DATABASE_OWNER_PASSWORD=… DATABASE_PASSWORD=… psql -d postgres -f deploy/roles.sql
-- `ordersite_owner` owns the database and migrates (DATABASE_MIGRATION_URL); `ordersite` is the application's (DATABASE_URL):
-- migrate lets it only add to the history, and it can make no table, temporary or not, that stands before a real one.
\set ON_ERROR_STOP on
\getenv owner_password DATABASE_OWNER_PASSWORD
\getenv password DATABASE_PASSWORD
SELECT :{?owner_password} AND :{?password} AS complete \gset
\if :complete
\else
    DO $$ BEGIN RAISE 'DATABASE_OWNER_PASSWORD and DATABASE_PASSWORD must be set'; END $$;
\endif

SELECT 'CREATE ROLE ordersite_owner' WHERE to_regrole('ordersite_owner') IS NULL \gexec
SELECT 'CREATE ROLE ordersite' WHERE to_regrole('ordersite') IS NULL \gexec
ALTER ROLE ordersite_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'owner_password';
ALTER ROLE ordersite LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';

SELECT 'CREATE DATABASE ordersite OWNER ordersite_owner' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'ordersite') \gexec
ALTER DATABASE ordersite OWNER TO ordersite_owner;
REVOKE ALL ON DATABASE ordersite FROM PUBLIC;
GRANT CONNECT ON DATABASE ordersite TO ordersite;

\connect ordersite
ALTER SCHEMA public OWNER TO pg_database_owner;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO ordersite;
