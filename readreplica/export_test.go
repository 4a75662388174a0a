package readreplica

// What a control test switches off.
const (
	OffSlots     = offSlots
	OffRerun     = offRerun
	OffDiscover  = offDiscover
	OffClassify  = offClassify
	OffCut       = offCut
	OffTimelines = offTimelines
	OffBack      = offBack
)

// SwitchOff switches protections off.
func SwitchOff(cfg *Config, what protection) { cfg.off |= what }
