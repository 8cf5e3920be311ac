// Package firely is Firely Server's auditing: its settings, read from the files
// and variables that a site has (audit.logsettings*.json, appsettings*.json,
// VONKAUDITLOG_ and VONK_), and its audit lines as a view of exchanges.
//
// It opens nothing but the settings files: who calls it makes sinks of what
// [Settings] says.
package firely
