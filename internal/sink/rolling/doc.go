// Package rolling is a log file that starts anew with the hour, the day or its
// size, with the names that Serilog's file sink gives, or with the generations
// that Aidbox's file appender keeps.
//
// It is not a queue and drops nothing: what cannot be written is an error, and
// the caller keeps it.
//
// # Names
//
// With an interval the active file has the period in its name, in local time:
// audit.log is audit20240131.log with [Day], audit2024013113.log with [Hour], and
// the files that a size limit starts are audit20240131_001.log, _002 and so on.
// A start goes on with the highest number of the current period. With
// [Options.MaxLines] the active file keeps its name, and a full one becomes
// audit.log.old; what had that name before becomes audit.log.old.000001,
// .000002 and so on, the newest with the highest number.
//
// # Where it differs from Serilog
//
// A file that has reached its size limit always starts the next one, whether
// rollOnFileSizeLimit says so or not: Serilog drops every event until the period
// is over. No file is ever removed unless a limit says so: Serilog keeps 31. A
// file that cannot be opened is an error of that write and tried again with the
// next: Serilog drops events for up to half an hour.
//
// # Whole lines
//
// Each line is one write(2). Where the disk is full in the middle of one, its
// beginning is cut off again. What a killed process left of a line is cut off
// when the same line is written again, and else ended by a newline.
package rolling
