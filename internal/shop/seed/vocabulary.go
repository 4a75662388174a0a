package seed

import "strings"

// kind is a kind of product: a leaf of the category tree, and what its products are called and cost.
type kind struct {
	name  string
	noun  string
	cents int // the usual price; products are between half and twice of it
	grams int // the usual weight; 0 for what is not shipped
}

// department is a root of the category tree, with its groups and their kinds.
type department struct {
	name   string
	code   string // begins the SKUs
	groups []group
}

type group struct {
	name  string
	kinds []kind
}

// departments is the whole catalog.
var departments = []department{
	{"Audio", "AUD", []group{
		{"Headphones", []kind{
			{"In-Ear Headphones", "earbuds", 79_00, 60},
			{"Over-Ear Headphones", "headphones", 149_00, 280},
		}},
		{"Speakers", []kind{
			{"Bookshelf Speakers", "speaker", 229_00, 5200},
			{"Portable Speakers", "speaker", 89_00, 640},
		}},
		{"Recording", []kind{
			{"Microphones", "microphone", 119_00, 410},
			{"Audio Software", "mixing software", 99_00, 0},
		}},
	}},
	{"Computers", "COM", []group{
		{"Input Devices", []kind{
			{"Keyboards", "keyboard", 84_00, 900},
			{"Mice", "mouse", 45_00, 110},
			{"Trackballs", "trackball", 59_00, 190},
		}},
		{"Storage", []kind{{"Solid State Drives", "drive", 96_00, 70}, {"Memory Cards", "memory card", 24_00, 5}}},
		{"Displays", []kind{{"Monitors", "monitor", 279_00, 5400}, {"Monitor Arms", "monitor arm", 99_00, 3100}}},
	}},
	{"Kitchen", "KIT", []group{
		{"Coffee", []kind{
			{"Coffee Grinders", "grinder", 69_00, 1300},
			{"Kettles", "kettle", 54_00, 1100},
			{"Coffee Cups", "cup", 12_00, 320},
		}},
		{"Cookware", []kind{{"Frying Pans", "pan", 49_00, 1500}, {"Saucepans", "saucepan", 44_00, 1400}}},
		{"Cutlery", []kind{{"Kitchen Knives", "knife", 64_00, 210}, {"Cutting Boards", "board", 29_00, 1700}}},
	}},
	{"Outdoor", "OUT", []group{
		{"Camping", []kind{
			{"Tents", "tent", 259_00, 2900},
			{"Sleeping Bags", "sleeping bag", 139_00, 1200},
			{"Camp Stoves", "stove", 59_00, 380},
		}},
		{"Hiking", []kind{{"Backpacks", "backpack", 119_00, 1350}, {"Trekking Poles", "pole", 69_00, 460}}},
		{"Cycling", []kind{{"Bicycle Lights", "light", 39_00, 90}, {"Panniers", "pannier", 79_00, 950}}},
	}},
	{"Home", "HOM", []group{
		{"Lighting", []kind{{"Desk Lamps", "lamp", 59_00, 1600}, {"Floor Lamps", "lamp", 129_00, 6400}}},
		{"Textiles", []kind{
			{"Blankets", "blanket", 49_00, 1100},
			{"Towels", "towel", 19_00, 520},
			{"Cushions", "cushion", 24_00, 480},
		}},
		{"Furniture", []kind{{"Chairs", "chair", 189_00, 7800}, {"Shelves", "shelf", 99_00, 9600}}},
	}},
	{"Books", "BOK", []group{
		{"Fiction", []kind{{"Novels", "novel", 16_00, 380}, {"Short Stories", "collection", 14_00, 300}}},
		{"Non-Fiction", []kind{{"Cookbooks", "cookbook", 28_00, 940}, {"Travel Guides", "travel guide", 19_00, 420}}},
		{"Audiobooks", []kind{{"Audiobook Downloads", "audiobook", 17_00, 0}}},
	}},
	{"Garden", "GAR", []group{
		{"Garden Tools", []kind{{"Pruning Shears", "shears", 34_00, 240}, {"Spades", "spade", 39_00, 1900}}},
		{"Plants", []kind{
			{"Seeds", "seeds", 4_00, 15},
			{"Bulbs", "bulbs", 8_00, 180},
			{"Plant Pots", "pot", 18_00, 1500},
		}},
		{"Watering", []kind{{"Garden Hoses", "hose", 44_00, 2600}, {"Watering Cans", "watering can", 26_00, 800}}},
	}},
	{"Office", "OFF", []group{
		{"Paper", []kind{{"Notebooks", "notebook", 11_00, 290}, {"Calendars", "calendar", 15_00, 350}}},
		{"Writing", []kind{
			{"Fountain Pens", "fountain pen", 46_00, 25},
			{"Pencils", "pencil", 3_00, 8},
			{"Ink", "ink", 13_00, 120},
		}},
		{"Bags", []kind{{"Briefcases", "briefcase", 159_00, 1400}, {"Laptop Sleeves", "sleeve", 34_00, 260}}},
	}},
}

// category is a node of the tree; its number is its place in categories, counted from 1.
type category struct {
	parent   int // 0 for a root
	position int // among its siblings
	name     string
}

// leaf is a category that has products.
type leaf struct {
	category int
	code     string
	kind     kind
}

var categories, leaves = plant(departments)

// plant numbers the tree, parents before children.
func plant(departments []department) (nodes []category, leaves []leaf) {
	grow := func(parent, position int, name string) int {
		nodes = append(nodes, category{parent, position, name})
		return len(nodes)
	}
	for i, d := range departments {
		root := grow(0, i+1, d.name)
		for j, g := range d.groups {
			branch := grow(root, j+1, g.name)
			for k, kind := range g.kinds {
				leaves = append(leaves, leaf{grow(branch, k+1, kind.name), d.code, kind})
			}
		}
	}
	return nodes, leaves
}

// warehouse is a place that goods are shipped from.
type warehouse struct {
	code, name, country string
	latitude, longitude float64 // 0 while it is planned
}

// warehouses are the places; the last one is not open yet and holds nothing.
var warehouses = []warehouse{
	{"HAM1", "Hamburg Harbour", "DE", 53.541, 9.984},
	{"RTM1", "Rotterdam Europoort", "NL", 51.953, 4.133},
	{"LYS1", "Lyon Est", "FR", 45.721, 5.081},
	{"POZ1", "Poznan South", "PL", 52.331, 16.872},
	{"MAD1", "Madrid Coslada", "ES", 40.426, -3.558},
	{"MMA1", "Malmo North", "SE", 55.627, 13.021},
	{"MIL1", "Milan Segrate", "IT", 45.492, 9.297},
	{"VIE2", "Vienna Extension", "AT", 0, 0},
}

var (
	tags = words(`bestseller new sale refurbished handmade organic recycled vegan waterproof wireless rechargeable foldable
		lightweight heavy-duty gift limited premium budget kids professional travel indoor outdoor local`)
	keywords = words(`everyday compact durable elegant classic modern quiet fast portable ergonomic washable stackable
		adjustable dishwasher-safe fair-trade made-to-last vintage minimal colourful weekend`)
	brands = words(`Alder Birkholm Corvane Dunmere Eastley Fennick Galloway Hartwell Ivorsen Juniper Kestrel Lindqvist
		Marlowe Norrland Oakhurst Pemberton Quillon Ravensby Sorrel Thornbury Umbra Vesterby Wexcombe Yarrow`)
	adjectives = words(`compact sturdy quiet slim folding classic lightweight insulated adjustable wireless reinforced
		foldable minimalist polished handmade travel`)
	materials = words(`steel aluminium oak bamboo walnut ceramic cotton linen wool leather glass titanium cork copper`)
	colours   = words(`black white graphite navy forest sand terracotta ochre plum ice`)
	uses      = []string{
		"for small rooms", "for long journeys", "for every day", "for beginners", "for demanding hands", "for cold mornings",
		"for the office", "for weekends away", "for two", "for the whole family",
	}
	praises = []string{
		"Built to be repaired, not replaced.", "Tested by people who use it daily.", "Comes with a two-year guarantee.",
		"Packed without plastic.", "A quiet favourite of our staff.", "Easy to clean and easy to store.",
		"Made in small batches.", "Spare parts are available for ten years.",
	}

	firstNames = words(`Ada Anton Beatriz Bruno Clara Cyril Dagny David Elena Emil Freya Felix Greta Goran Hanna Hugo Ines
		Ivan Jana Jonas Karin Kamil Lena Lars Maja Marco Nadia Nils Olga Oscar Paula Pavel Renata Rafael Sofia Simon Tilda
		Tomas Vera Viktor`)
	lastNames = words(`Albrecht Andersen Bakker Bianchi Costa Dubois Eriksson Fischer Garcia Hansen Horvath Ivanova Jansen
		Kaminski Keller Kowalska Lambert Larsen Lopez Moreau Moretti Nagy Nilsson Novak Olsen Pereira Petrov Ricci Rossi
		Santos Schmidt Silva Svoboda Torres Urban Vasquez Visser Weber Wagner Zielinski`)
	countries = words(`DE DE DE DE FR FR FR NL NL IT IT ES ES PL PL SE AT BE DK CZ`)
	streets   = words(`Hauptstrasse Lindenweg Kerkstraat Berggasse Storgatan Kirkevej Rynek Mlynska`)
	cities    = words(`Berlin Hamburg Lyon Utrecht Torino Valencia Gdansk Uppsala Graz Gent Aarhus Brno`)

	verdicts = [5][]string{
		{"Broke within a week", "Not what was shown"},
		{"Disappointing", "Worse than the old one"},
		{"It does the job", "Neither good nor bad"},
		{"Good value", "Nearly perfect"},
		{"Exactly right", "Would buy again"},
	}
	remarks = []string{
		"Arrived on time.", "The colour is a little darker than in the picture.", "I use it every day.",
		"Bought it for a friend, who is happy with it.", "The instructions could be clearer.", "Feels solid.",
	}
	priceReasons = []string{"seasonal sale", "supplier price", "clearance", "end of sale"}
	orderNotes   = []string{
		"Please leave with the neighbours.", "Gift, no invoice in the parcel.", "Ring twice.", "Deliver after six.",
	}
)

func words(list string) []string { return strings.Fields(list) }
