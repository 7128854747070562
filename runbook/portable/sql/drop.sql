-- Variable: database.
DROP DATABASE IF EXISTS :"database" WITH (FORCE);
