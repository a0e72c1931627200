//! What the shop sells: teas by family of taste, wares, and the monthly box. Prices in pence, before tax.

/// A family of taste. Wares and boxes are families too, so that everything sold has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Black,
    Green,
    Oolong,
    White,
    PuErh,
    Herbal,
    Matcha,
    Exotic,
    Ware,
    Box,
}

use Family::{Black, Box, Exotic, Green, Herbal, Matcha, Oolong, PuErh, Ware, White};

/// The families of tea with their weight among customers' first tastes.
pub(crate) const TEAS: [(Family, u32); 8] =
    [(Black, 28), (Green, 18), (Oolong, 13), (White, 6), (PuErh, 6), (Herbal, 16), (Matcha, 8), (Exotic, 5)];

impl Family {
    pub(crate) fn category(self) -> &'static str {
        match self {
            Black => "tea/black",
            Green => "tea/green",
            Oolong => "tea/oolong",
            White => "tea/white",
            PuErh => "tea/pu-erh",
            Herbal => "tea/herbal",
            Matcha => "tea/matcha",
            Exotic => "tea/exotic",
            Ware => "ware",
            Box => "box",
        }
    }

    pub(crate) fn products(self) -> impl Iterator<Item = &'static Product> + Clone {
        CATALOGUE.iter().filter(move |product| product.family == self)
    }

    /// The ware that drinkers of this family come to want: bought together, for the recommender to find.
    pub(crate) fn companion(self) -> &'static Product {
        let sku = match self {
            Matcha => "W-WHISK",
            Oolong | PuErh => "W-GAIWAN",
            Black | Box => "W-POT",
            Green | White => "W-KYUSU",
            Herbal => "W-INFUSER",
            Exotic | Ware => "W-TASTER",
        };
        CATALOGUE.iter().find(|product| product.sku == sku).expect("companions are in the catalogue, tested below")
    }
}

/// One thing on the shelf.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) sku: &'static str,
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    pub(crate) price_pence: i64,
}

const fn tea(sku: &'static str, name: &'static str, family: Family, price_pence: i64) -> Product {
    Product { sku, name, family, price_pence }
}

/// The box that subscribers get every month.
pub(crate) static DISCOVERY_BOX: Product = tea("X-BOX", "Discovery Box", Box, 18_00);

/// Everything on the shelf.
pub(crate) static CATALOGUE: [Product; 62] = [
    tea("B-BREAK", "Breakfast No. 1", Black, 6_50),
    tea("B-ASSAM", "Assam Mangalam", Black, 8_20),
    tea("B-DARJ1", "Darjeeling First Flush", Black, 14_90),
    tea("B-DARJ2", "Darjeeling Second Flush", Black, 11_40),
    tea("B-CEYLON", "Ceylon Uva Highlands", Black, 7_60),
    tea("B-EARL", "Earl Grey with Cornflowers", Black, 7_20),
    tea("B-KEEMUN", "Keemun Mao Feng", Black, 12_30),
    tea("B-YUNNAN", "Golden Yunnan Buds", Black, 13_75),
    tea("B-NILGIRI", "Nilgiri Frost", Black, 9_10),
    tea("B-CHAI", "Masala Chai", Black, 7_95),
    tea("G-SENCHA", "Sencha Yabukita", Green, 10_50),
    tea("G-GYOKURO", "Gyokuro Asahi", Green, 24_00),
    tea("G-LONGJING", "Longjing Before the Rains", Green, 21_60),
    tea("G-GUNPOW", "Gunpowder", Green, 5_80),
    tea("G-JASMINE", "Jasmine Pearls", Green, 13_20),
    tea("G-GENMAI", "Genmaicha", Green, 7_40),
    tea("G-HOJI", "Hojicha", Green, 7_90),
    tea("G-BILUO", "Bi Luo Chun", Green, 17_30),
    tea("O-TGY", "Tie Guan Yin", Oolong, 13_60),
    tea("O-DONG", "Dong Ding", Oolong, 15_40),
    tea("O-ALI", "Alishan High Mountain", Oolong, 19_80),
    tea("O-MILK", "Milk Oolong", Oolong, 12_90),
    tea("O-DHP", "Da Hong Pao", Oolong, 22_50),
    tea("O-ORIENT", "Oriental Beauty", Oolong, 23_40),
    tea("O-BAO", "Bao Zhong", Oolong, 14_10),
    tea("W-SILVER", "Silver Needle", White, 18_70),
    tea("W-PEONY", "White Peony", White, 11_90),
    tea("W-SHOUMEI", "Aged Shou Mei", White, 12_40),
    tea("W-MOON", "Moonlight White", White, 13_30),
    tea("P-SHU", "Ripe Pu-erh Cake 2018", PuErh, 26_00),
    tea("P-SHENG", "Raw Pu-erh Cake 2021", PuErh, 34_50),
    tea("P-TUO", "Mini Tuocha", PuErh, 9_60),
    tea("P-ORANGE", "Pu-erh in Tangerine", PuErh, 12_80),
    tea("H-ROOI", "Rooibos", Herbal, 5_40),
    tea("H-CHAMO", "Chamomile Flowers", Herbal, 5_90),
    tea("H-MINT", "Moroccan Mint", Herbal, 5_60),
    tea("H-LEMON", "Lemon Verbena", Herbal, 6_70),
    tea("H-GINGER", "Ginger & Turmeric", Herbal, 6_20),
    tea("H-HIBIS", "Hibiscus & Rosehip", Herbal, 5_95),
    tea("H-NIGHT", "Good Night Blend", Herbal, 7_10),
    tea("H-MATE", "Yerba Mate", Herbal, 8_40),
    tea("M-DAILY", "Everyday Matcha 50 g", Matcha, 14_50),
    tea("M-CEREM", "Ceremonial Matcha 30 g", Matcha, 27_90),
    tea("M-LATTE", "Matcha Latte Mix", Matcha, 11_20),
    tea("M-HOJI", "Hojicha Powder", Matcha, 12_70),
    tea("E-LAPSANG", "Lapsang Souchong, Pine-Smoked", Exotic, 9_85),
    tea("E-YASHI", "Duck Shit Oolong (Ya Shi Xiang)", Exotic, 24_80),
    tea("E-BUTTERFLY", "Blue Butterfly Pea", Exotic, 8_90),
    tea("E-YAK", "Yak-Butter Tea Kit", Exotic, 16_40),
    tea("E-SOBA", "Black Tartary Buckwheat", Exotic, 8_10),
    tea("E-KUDING", "Kuding, the Bitter Nail", Exotic, 7_70),
    tea("E-PURPLE", "Kenyan Purple", Exotic, 12_60),
    tea("E-BAMBOO", "Bamboo-Roasted Sheng", Exotic, 29_30),
    tea("W-POT", "Brown Betty Teapot", Ware, 28_00),
    tea("W-GAIWAN", "Porcelain Gaiwan", Ware, 19_50),
    tea("W-KYUSU", "Tokoname Kyusu", Ware, 46_00),
    tea("W-WHISK", "Bamboo Whisk (Chasen)", Ware, 17_25),
    tea("W-INFUSER", "Cup with Infuser", Ware, 12_95),
    tea("W-TASTER", "Tasting Cups, Set of Four", Ware, 22_40),
    tea("W-TIN", "Tea Tin, 100 g", Ware, 6_35),
    tea("W-KETTLE", "Gooseneck Kettle", Ware, 64_00),
    tea("W-TIMER", "Three-Minute Hourglass", Ware, 8_99),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sku_is_unique_and_every_family_has_a_companion() {
        let skus: std::collections::BTreeSet<_> = CATALOGUE.iter().map(|product| product.sku).collect();
        assert_eq!(skus.len(), CATALOGUE.len());
        for (family, _) in TEAS {
            assert_eq!(family.companion().family, Ware);
            assert!(family.products().count() >= 4, "{family:?}");
        }
        assert_eq!(Box.companion().family, Ware);
    }
}
