-- Variable: database.
ALTER DATABASE :"database" ALLOW_CONNECTIONS TRUE;
GRANT CONNECT ON DATABASE :"database" TO amas_app;
