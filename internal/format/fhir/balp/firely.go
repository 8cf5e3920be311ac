package balp

// firely appends the AuditEvent of a in the shape of Firely Server's (R4).
func (w *writer) firely(a *account) { w.event(a) }
