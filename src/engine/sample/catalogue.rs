//! What the corner shop sells, and for how much, in the customer's currency.

use super::habits::Line;

/// A product: its id, name, category and price in won.
pub(super) struct Product {
    id: &'static str,
    name: &'static str,
    category: &'static str,
    won: u64,
}

const fn product_of(
    id: &'static str,
    name: &'static str,
    category: &'static str,
    won: u64,
) -> Product {
    Product {
        id,
        name,
        category,
        won,
    }
}

pub(super) const PRODUCTS: [Product; 24] = [
    product_of("tea-01", "Green tea, 100 g", "tea", 9_800),
    product_of("tea-02", "Roasted barley tea", "tea", 5_200),
    product_of("tea-03", "Earl Grey, loose", "tea", 11_500),
    product_of("tea-04", "Citron tea, jar", "tea", 8_900),
    product_of("cof-01", "House espresso, 250 g", "coffee", 14_900),
    product_of("cof-02", "Filter blend, 500 g", "coffee", 22_500),
    product_of("cof-03", "Decaf, 250 g", "coffee", 15_900),
    product_of("bak-01", "Sourdough loaf", "bakery", 7_200),
    product_of("bak-02", "Butter croissants, 4", "bakery", 9_600),
    product_of("bak-03", "Rice cakes, box", "bakery", 12_000),
    product_of("bak-04", "Oat biscuits", "bakery", 4_800),
    product_of("pan-01", "Short-grain rice, 4 kg", "pantry", 18_500),
    product_of("pan-02", "Sesame oil, 320 ml", "pantry", 13_800),
    product_of("pan-03", "Olive oil, 500 ml", "pantry", 16_500),
    product_of("pan-04", "Wildflower honey", "pantry", 19_800),
    product_of("pan-05", "Soy sauce, aged", "pantry", 10_400),
    product_of("fri-01", "Kimchi, 1 kg", "fresh", 13_500),
    product_of("fri-02", "Farm eggs, 15", "fresh", 7_900),
    product_of("fri-03", "Fresh tofu", "fresh", 3_200),
    product_of("fri-04", "Mandarins, 2 kg", "fresh", 15_200),
    product_of("hom-01", "Linen tea towel", "home", 12_500),
    product_of("hom-02", "Stoneware mug", "home", 24_000),
    product_of("hom-03", "Beeswax candle", "home", 17_500),
    product_of("hom-04", "Gift box, wrapped", "home", 45_000),
];

/// A currency: its code, how many of its smallest unit 1,000 won are here, and how many digits that unit is below one.
#[derive(Clone, Copy)]
pub(super) struct Currency {
    pub code: &'static str,
    per_1000_won: u64,
    digits: u32,
}

const fn currency(code: &'static str, per_1000_won: u64, digits: u32) -> Currency {
    Currency {
        code,
        per_1000_won,
        digits,
    }
}

pub(super) const KRW: Currency = currency("KRW", 1_000, 0);
pub(super) const JPY: Currency = currency("JPY", 110, 0);
pub(super) const GBP: Currency = currency("GBP", 58, 2);
pub(super) const EUR: Currency = currency("EUR", 68, 2);
pub(super) const USD: Currency = currency("USD", 74, 2);
pub(super) const AUD: Currency = currency("AUD", 112, 2);

impl Currency {
    fn smallest(self, product: u8) -> u64 {
        PRODUCTS[usize::from(product)].won * self.per_1000_won / 1_000
    }

    fn written(self, smallest: u64) -> String {
        match self.digits {
            0 => smallest.to_string(),
            _ => format!("{}.{:02}", smallest / 100, smallest % 100),
        }
    }
}

/// Where its pages and pictures would be: nobody can own that name (RFC 2606), so no mail program reaches anybody.
const SHOP: &str = "https://shop.example";

/// The properties of a product, without braces.
pub(super) fn product(product: u8, currency: Currency) -> String {
    let p = &PRODUCTS[usize::from(product)];
    format!(
        r#""product_id":"{0}","name":"{1}","category":"{2}","url":"{SHOP}/p/{0}","image_url":"{SHOP}/i/{0}.png","price":{3},"currency":"{4}""#,
        p.id,
        p.name,
        p.category,
        currency.written(currency.smallest(product)),
        currency.code
    )
}

pub(super) fn products(lines: &[Line], currency: Currency) -> String {
    let one = |line: &Line| {
        let product = product(line.product, currency);
        format!(r#"{{{product},"quantity":{}}}"#, line.quantity)
    };
    let all: Vec<String> = lines.iter().map(one).collect();
    format!("[{}]", all.join(","))
}

pub(super) fn total(lines: &[Line], currency: Currency) -> String {
    let sum = lines
        .iter()
        .map(|l| currency.smallest(l.product) * u64::from(l.quantity))
        .sum();
    currency.written(sum)
}
