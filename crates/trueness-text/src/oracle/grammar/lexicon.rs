//! The words of the caption grammar, as tables to read and to edit.
//!
//! Words of a list are in the order of their frequency, because their weights follow Zipf's law. No
//! word that can follow "a" begins with a vowel, so that the article never depends on the next word.

/// Nouns, singular and plural, and the adjectives that go with them.
#[derive(Debug)]
pub(super) struct Nouns {
    pub(super) nouns: &'static [(&'static str, &'static str)],
    /// The first of two optional adjectives.
    pub(super) sizes: &'static [&'static str],
    /// The second.
    pub(super) colours: &'static [&'static str],
}

/// A preposition and the places that can follow it.
#[derive(Debug)]
pub(super) struct Preposition {
    pub(super) word: &'static str,
    pub(super) places: &'static Nouns,
}

/// What a verb wants after it.
#[derive(Debug)]
pub(super) enum Complement {
    /// A place: one of these prepositions and its place.
    Place(&'static [&'static Preposition]),
    /// An object, after which a place may follow.
    Object(&'static Nouns),
}

/// A verb in the forms "sitting", "sits" and "sit".
#[derive(Debug)]
pub(super) struct Verb {
    pub(super) participle: &'static str,
    pub(super) singular: &'static str,
    pub(super) plural: &'static str,
    pub(super) complement: Complement,
}

/// A kind of subject: what it is called, what it may have with it, and what it does.
#[derive(Debug)]
pub(super) struct Subject {
    /// How often a subject is of this kind; the shares of all kinds sum to 1.
    pub(super) share: f64,
    pub(super) nouns: &'static [(&'static str, &'static str)],
    /// What "with" may lead to.
    pub(super) belongings: &'static Nouns,
    pub(super) verbs: &'static [&'static Verb],
}

/// All words of a grammar.
#[derive(Debug)]
pub(super) struct Lexicon {
    /// The determiners of singular nouns and of plural ones; no word stands in both.
    pub(super) singular: &'static [&'static str],
    pub(super) plural: &'static [&'static str],
    /// The adjectives of subjects, which are the same for every kind: only the noun tells the kind.
    pub(super) sizes: &'static [&'static str],
    pub(super) colours: &'static [&'static str],
    pub(super) subjects: &'static [Subject],
    /// What may follow an object.
    pub(super) places: &'static [&'static Preposition],
    /// How often a second clause follows the first.
    pub(super) second_clause: f64,
}

const COLOURS: &[&str] = &["white", "black", "red", "brown", "blue", "green", "yellow", "grey", "pink", "purple"];

static FURNITURE: Nouns = Nouns {
    nouns: &[
        ("table", "tables"),
        ("bench", "benches"),
        ("bed", "beds"),
        ("couch", "couches"),
        ("chair", "chairs"),
        ("desk", "desks"),
        ("counter", "counters"),
        ("shelf", "shelves"),
        ("floor", "floors"),
        ("plate", "plates"),
        ("rug", "rugs"),
        ("blanket", "blankets"),
        ("tray", "trays"),
        ("stool", "stools"),
        ("mat", "mats"),
        ("dresser", "dressers"),
        ("platform", "platforms"),
        ("sidewalk", "sidewalks"),
        ("deck", "decks"),
        ("roof", "roofs"),
        ("porch", "porches"),
        ("cushion", "cushions"),
        ("ledge", "ledges"),
        ("step", "steps"),
    ],
    sizes: &["small", "large", "long", "wide", "low", "tall"],
    colours: &["wooden", "white", "brown", "red", "green", "metal", "grey", "blue", "glass", "plastic"],
};

static AREAS: Nouns = Nouns {
    nouns: &[
        ("field", "fields"),
        ("park", "parks"),
        ("room", "rooms"),
        ("kitchen", "kitchens"),
        ("yard", "yards"),
        ("garden", "gardens"),
        ("street", "streets"),
        ("bathroom", "bathrooms"),
        ("parking-lot", "parking-lots"),
        ("forest", "forests"),
        ("restaurant", "restaurants"),
        ("garage", "garages"),
        ("stadium", "stadiums"),
        ("pool", "pools"),
        ("barn", "barns"),
        ("bedroom", "bedrooms"),
        ("zoo", "zoos"),
        ("museum", "museums"),
        ("valley", "valleys"),
        ("market", "markets"),
        ("hallway", "hallways"),
        ("harbor", "harbors"),
    ],
    sizes: &["large", "small", "busy", "crowded", "quiet", "narrow"],
    colours: &["green", "sunny", "dark", "snowy", "clean", "dusty", "muddy", "bright"],
};

static LANDMARKS: Nouns = Nouns {
    nouns: &[
        ("building", "buildings"),
        ("tree", "trees"),
        ("fence", "fences"),
        ("lake", "lakes"),
        ("river", "rivers"),
        ("house", "houses"),
        ("window", "windows"),
        ("wall", "walls"),
        ("beach", "beaches"),
        ("road", "roads"),
        ("bridge", "bridges"),
        ("church", "churches"),
        ("station", "stations"),
        ("fountain", "fountains"),
        ("statue", "statues"),
        ("tower", "towers"),
        ("store", "stores"),
        ("mountain", "mountains"),
        ("pond", "ponds"),
        ("doorway", "doorways"),
        ("lamp", "lamps"),
        ("hydrant", "hydrants"),
        ("fireplace", "fireplaces"),
        ("tent", "tents"),
        ("gate", "gates"),
        ("crosswalk", "crosswalks"),
    ],
    sizes: &["tall", "large", "small", "big", "long"],
    colours: &["brick", "white", "stone", "red", "brown", "grey", "green", "yellow"],
};

static PATHS: Nouns = Nouns {
    nouns: &[
        ("road", "roads"),
        ("street", "streets"),
        ("beach", "beaches"),
        ("track", "tracks"),
        ("field", "fields"),
        ("hill", "hills"),
        ("path", "paths"),
        ("river", "rivers"),
        ("bridge", "bridges"),
        ("trail", "trails"),
        ("highway", "highways"),
        ("shore", "shores"),
        ("sidewalk", "sidewalks"),
        ("runway", "runways"),
        ("tunnel", "tunnels"),
        ("driveway", "driveways"),
    ],
    sizes: &["long", "narrow", "wide", "steep", "busy"],
    colours: &["dirt", "snowy", "wet", "sandy", "grassy", "paved", "rocky"],
};

static CLOTHES: Nouns = Nouns {
    nouns: &[
        ("hat", "hats"),
        ("shirt", "shirts"),
        ("backpack", "backpacks"),
        ("jacket", "jackets"),
        ("helmet", "helmets"),
        ("tie", "ties"),
        ("camera", "cameras"),
        ("scarf", "scarves"),
        ("dress", "dresses"),
        ("bag", "bags"),
        ("beard", "beards"),
        ("coat", "coats"),
        ("suitcase", "suitcases"),
        ("cap", "caps"),
    ],
    sizes: &["big", "small", "long", "short", "heavy"],
    colours: COLOURS,
};

static MARKS: Nouns = Nouns {
    nouns: &[
        ("collar", "collars"),
        ("tail", "tails"),
        ("spot", "spots"),
        ("bell", "bells"),
        ("ribbon", "ribbons"),
        ("stripe", "stripes"),
        ("leash", "leashes"),
        ("tag", "tags"),
    ],
    sizes: &["long", "short", "big", "small"],
    colours: COLOURS,
};

static PARTS: Nouns = Nouns {
    nouns: &[
        ("sign", "signs"),
        ("light", "lights"),
        ("trailer", "trailers"),
        ("door", "doors"),
        ("flag", "flags"),
        ("logo", "logos"),
        ("wheel", "wheels"),
        ("stripe", "stripes"),
        ("ladder", "ladders"),
        ("mirror", "mirrors"),
    ],
    sizes: &["large", "small", "broken", "bright"],
    colours: COLOURS,
};

static FITTINGS: Nouns = Nouns {
    nouns: &[
        ("handle", "handles"),
        ("lid", "lids"),
        ("flower", "flowers"),
        ("label", "labels"),
        ("spoon", "spoons"),
        ("picture", "pictures"),
        ("straw", "straws"),
        ("ribbon", "ribbons"),
    ],
    sizes: &["small", "large", "long", "broken"],
    colours: COLOURS,
};

static FOOD: Nouns = Nouns {
    nouns: &[
        ("pizza", "pizzas"),
        ("sandwich", "sandwiches"),
        ("cake", "cakes"),
        ("banana", "bananas"),
        ("hot-dog", "hot-dogs"),
        ("carrot", "carrots"),
        ("donut", "donuts"),
        ("salad", "salads"),
        ("cookie", "cookies"),
        ("burger", "burgers"),
        ("pear", "pears"),
        ("muffin", "muffins"),
        ("pancake", "pancakes"),
        ("tomato", "tomatoes"),
        ("steak", "steaks"),
        ("melon", "melons"),
    ],
    sizes: &["large", "small", "huge", "little"],
    colours: &["fresh", "green", "frozen", "warm", "red", "ripe", "sweet"],
};

static RIDES: Nouns = Nouns {
    nouns: &[
        ("skateboard", "skateboards"),
        ("bike", "bikes"),
        ("horse", "horses"),
        ("motorcycle", "motorcycles"),
        ("surfboard", "surfboards"),
        ("wave", "waves"),
        ("scooter", "scooters"),
        ("train", "trains"),
        ("camel", "camels"),
        ("snowboard", "snowboards"),
        ("pony", "ponies"),
        ("sled", "sleds"),
    ],
    sizes: &["big", "small", "large", "long"],
    colours: COLOURS,
};

static HELD: Nouns = Nouns {
    nouns: &[
        ("phone", "phones"),
        ("racket", "rackets"),
        ("bat", "bats"),
        ("ball", "balls"),
        ("frisbee", "frisbees"),
        ("kite", "kites"),
        ("book", "books"),
        ("cup", "cups"),
        ("knife", "knives"),
        ("remote", "remotes"),
        ("laptop", "laptops"),
        ("toothbrush", "toothbrushes"),
        ("camera", "cameras"),
        ("sign", "signs"),
        ("basket", "baskets"),
        ("teddy-bear", "teddy-bears"),
        ("rope", "ropes"),
        ("stick", "sticks"),
    ],
    sizes: &["large", "small", "big", "tiny"],
    colours: COLOURS,
};

static ON: Preposition = Preposition { word: "on", places: &FURNITURE };
static IN: Preposition = Preposition { word: "in", places: &AREAS };
static NEAR: Preposition = Preposition { word: "near", places: &LANDMARKS };
static BESIDE: Preposition = Preposition { word: "beside", places: &LANDMARKS };
static BEHIND: Preposition = Preposition { word: "behind", places: &LANDMARKS };
static UNDER: Preposition = Preposition { word: "under", places: &FURNITURE };
static BY: Preposition = Preposition { word: "by", places: &LANDMARKS };
static DOWN: Preposition = Preposition { word: "down", places: &PATHS };
static ALONG: Preposition = Preposition { word: "along", places: &PATHS };
static ACROSS: Preposition = Preposition { word: "across", places: &PATHS };
static THROUGH: Preposition = Preposition { word: "through", places: &AREAS };
static PAST: Preposition = Preposition { word: "past", places: &LANDMARKS };

const REST: &[&Preposition] = &[&ON, &IN, &NEAR, &BESIDE, &BEHIND, &UNDER, &BY];
const MOVE: &[&Preposition] = &[&DOWN, &ALONG, &ACROSS, &THROUGH, &PAST];
const LIE: &[&Preposition] = &[&ON, &UNDER, &NEAR, &BESIDE];
const STAY: &[&Preposition] = &[&IN, &NEAR, &BY, &BESIDE, &BEHIND];

const fn verb(participle: &'static str, singular: &'static str, plural: &'static str, complement: Complement) -> Verb {
    Verb { participle, singular, plural, complement }
}

static SIT: Verb = verb("sitting", "sits", "sit", Complement::Place(REST));
static STAND: Verb = verb("standing", "stands", "stand", Complement::Place(STAY));
static WALK: Verb = verb("walking", "walks", "walk", Complement::Place(MOVE));
static RUN: Verb = verb("running", "runs", "run", Complement::Place(MOVE));
static LAY: Verb = verb("laying", "lays", "lay", Complement::Place(LIE));
static SLEEP: Verb = verb("sleeping", "sleeps", "sleep", Complement::Place(LIE));
static PLAY: Verb = verb("playing", "plays", "play", Complement::Place(STAY));
static WAIT: Verb = verb("waiting", "waits", "wait", Complement::Place(STAY));
static JUMP: Verb = verb("jumping", "jumps", "jump", Complement::Place(MOVE));
static GRAZE: Verb = verb("grazing", "grazes", "graze", Complement::Place(STAY));
static DRIVE: Verb = verb("driving", "drives", "drive", Complement::Place(MOVE));
static TRAVEL: Verb = verb("traveling", "travels", "travel", Complement::Place(MOVE));
static PARK: Verb = verb("parking", "parks", "park", Complement::Place(STAY));
static STOP: Verb = verb("stopping", "stops", "stop", Complement::Place(STAY));
static REST_ON: Verb = verb("resting", "rests", "rest", Complement::Place(LIE));
static LEAN: Verb = verb("leaning", "leans", "lean", Complement::Place(STAY));
static HANG: Verb = verb("hanging", "hangs", "hang", Complement::Place(STAY));
static STEAM: Verb = verb("steaming", "steams", "steam", Complement::Place(REST));
static HOLD: Verb = verb("holding", "holds", "hold", Complement::Object(&HELD));
static RIDE: Verb = verb("riding", "rides", "ride", Complement::Object(&RIDES));
static EAT: Verb = verb("eating", "eats", "eat", Complement::Object(&FOOD));
static CARRY: Verb = verb("carrying", "carries", "carry", Complement::Object(&HELD));
static CHASE: Verb = verb("chasing", "chases", "chase", Complement::Object(&HELD));
static PASS: Verb = verb("passing", "passes", "pass", Complement::Object(&LANDMARKS));
static WEAR: Verb = verb("wearing", "wears", "wear", Complement::Object(&CLOTHES));

/// English image captions.
pub(super) static CAPTIONS: Lexicon = Lexicon {
    singular: &["a", "the", "one", "this"],
    plural: &["two", "some", "three", "several", "four", "many"],
    sizes: &["small", "large", "big", "little", "tall", "young", "tiny", "huge"],
    colours: COLOURS,
    subjects: &[
        Subject {
            share: 0.45,
            nouns: &[
                ("man", "men"),
                ("woman", "women"),
                ("person", "people"),
                ("boy", "boys"),
                ("girl", "girls"),
                ("child", "children"),
                ("player", "players"),
                ("skateboarder", "skateboarders"),
                ("lady", "ladies"),
                ("surfer", "surfers"),
                ("kid", "kids"),
                ("skier", "skiers"),
                ("baby", "babies"),
                ("guy", "guys"),
                ("chef", "chefs"),
                ("student", "students"),
                ("worker", "workers"),
                ("tourist", "tourists"),
                ("farmer", "farmers"),
                ("soldier", "soldiers"),
                ("dancer", "dancers"),
                ("teacher", "teachers"),
            ],
            belongings: &CLOTHES,
            verbs: &[&STAND, &SIT, &HOLD, &RIDE, &WALK, &PLAY, &EAT, &WEAR, &CARRY, &RUN, &WAIT, &JUMP, &LEAN, &SLEEP],
        },
        Subject {
            share: 0.27,
            nouns: &[
                ("dog", "dogs"),
                ("cat", "cats"),
                ("horse", "horses"),
                ("giraffe", "giraffes"),
                ("bird", "birds"),
                ("zebra", "zebras"),
                ("cow", "cows"),
                ("bear", "bears"),
                ("goat", "goats"),
                ("duck", "ducks"),
                ("puppy", "puppies"),
                ("kitten", "kittens"),
                ("lion", "lions"),
                ("monkey", "monkeys"),
                ("rabbit", "rabbits"),
                ("pony", "ponies"),
                ("squirrel", "squirrels"),
                ("pig", "pigs"),
                ("hen", "hens"),
                ("swan", "swans"),
            ],
            belongings: &MARKS,
            verbs: &[&SIT, &STAND, &LAY, &WALK, &RUN, &GRAZE, &EAT, &SLEEP, &PLAY, &CHASE, &JUMP, &CARRY, &REST_ON],
        },
        Subject {
            share: 0.16,
            nouns: &[
                ("train", "trains"),
                ("bus", "buses"),
                ("car", "cars"),
                ("truck", "trucks"),
                ("motorcycle", "motorcycles"),
                ("boat", "boats"),
                ("plane", "planes"),
                ("van", "vans"),
                ("bicycle", "bicycles"),
                ("taxi", "taxis"),
                ("tractor", "tractors"),
                ("jeep", "jeeps"),
                ("trolley", "trolleys"),
                ("wagon", "wagons"),
            ],
            belongings: &PARTS,
            verbs: &[&DRIVE, &TRAVEL, &PARK, &STOP, &PASS, &WAIT, &SIT, &CARRY],
        },
        Subject {
            share: 0.12,
            nouns: &[
                ("vase", "vases"),
                ("clock", "clocks"),
                ("kettle", "kettles"),
                ("bottle", "bottles"),
                ("bowl", "bowls"),
                ("mug", "mugs"),
                ("pot", "pots"),
                ("teapot", "teapots"),
                ("box", "boxes"),
                ("pan", "pans"),
                ("jar", "jars"),
                ("toy", "toys"),
                ("glass", "glasses"),
                ("painting", "paintings"),
            ],
            belongings: &FITTINGS,
            verbs: &[&SIT, &STAND, &REST_ON, &HANG, &LEAN, &STEAM],
        },
    ],
    places: &[&IN, &ON, &NEAR, &BESIDE, &BY, &BEHIND],
    second_clause: 0.1,
};
