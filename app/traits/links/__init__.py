"""The trail from record to record: links, the loop rail, follow-up buttons and panels."""
