"""The service: takes decision traces, stores them durably, reads them back, tells how it is doing."""
