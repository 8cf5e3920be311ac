// Package template is Serilog's output templates: the text that says how a line
// of a log file looks, such as
//
//	{Timestamp:yyyy-MM-dd HH:mm:ss.fff zzz} [{Level:u3}] {Message:lj}{NewLine}{Exception}
//
// with .NET's formats of times and numbers in the invariant culture. What it
// prints is what Serilog 4 prints, with one exception: control characters and
// those that reorder text, in values, are printed as \uXXXX, so that no value can
// begin a line of its own or hide one.
package template
