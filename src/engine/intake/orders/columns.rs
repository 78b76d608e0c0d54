//! Which column of a shop's order export means what: by the headings that shops and their platforms use, in English and
//! in Korean, or as the user says.

use crate::engine::intake::mapping::column_named;
use crate::engine::intake::quoted;
use std::collections::HashSet;

/// The property that names an order.
pub const ORDER_ID: &str = "order_id";

/// What one column is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Column {
    Known(Known),
    /// A property of the order under this name.
    Property(String),
    Ignored,
}

/// What an order export is known to tell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Known {
    Customer,
    Email,
    Name,
    FirstName,
    LastName,
    Phone,
    Birthday,
    Country,
    Consent,
    Order,
    Time,
    Total,
    Currency,
    Status,
    Cancelled,
    Product,
    ProductId,
    Sku,
    Price,
    Quantity,
    Category,
    RefundOf,
}

use Known::{
    Birthday, Cancelled, Category, Consent, Country, Currency, Customer, Email, FirstName,
    LastName, Name, Order, Phone, Price, Product, ProductId, Quantity, RefundOf, Sku, Status, Time,
    Total,
};

/// What each is called by `--map` and in what we show, and the headings that it goes by, likeliest first. Headings are
/// compared without case, spaces and punctuation.
#[rustfmt::skip]
const HEADINGS: [(Known, &str, &[&str]); 22] = [
    (Customer, "customer", &["customerid", "userid", "customeruserid", "customeruser", "memberid", "customernumber", "customerno", "customer", "고객번호", "고객id", "고객아이디", "회원번호", "회원id", "회원아이디", "구매자id", "구매자아이디", "주문자id", "주문자아이디", "아이디", "고객"]),
    (Email, "email", &["email", "emailaddress", "customeremail", "billingemail", "mail", "이메일", "이메일주소", "주문자이메일", "구매자이메일", "메일", "메일주소"]),
    (FirstName, "first_name", &["firstname", "customerfirstname", "billingfirstname", "givenname"]),
    (LastName, "last_name", &["lastname", "customerlastname", "billinglastname", "surname", "familyname"]),
    (Name, "name", &["customername", "fullname", "buyername", "billingname", "name", "이름", "고객명", "주문자", "주문자명", "주문자이름", "구매자", "구매자명", "회원명", "성명"]),
    (Phone, "phone", &["phone", "phonenumber", "mobile", "telephone", "휴대폰", "휴대전화", "휴대폰번호", "연락처", "전화번호", "주문자휴대전화", "주문자휴대폰", "주문자연락처", "구매자연락처"]),
    (Birthday, "birthday", &["birthday", "birthdate", "dateofbirth", "생일", "생년월일"]),
    (Country, "country", &["country", "countrycode", "billingcountry", "국가"]),
    (Consent, "consent", &["acceptsmarketing", "emailmarketingconsent", "marketingconsent", "consent", "newsletter", "optin", "이메일수신동의", "메일수신동의", "이메일수신여부", "메일수신여부", "마케팅수신동의", "마케팅동의", "광고수신동의", "수신동의", "수신여부"]),
    (Order, "order_id", &["orderid", "ordernumber", "orderno", "ordercode", "invoiceno", "invoiceid", "invoice", "order", "주문번호", "주문id", "주문코드"]),
    (Time, "time", &["paidat", "orderdate", "orderedat", "orderdatetime", "ordertime", "purchasedate", "purchasedat", "invoicedate", "datecreated", "createdat", "datetime", "timestamp", "date", "time", "주문일시", "주문일", "주문일자", "주문날짜", "주문시간", "결제일시", "결제일", "결제일자", "구매일시", "구매일", "구매일자"]),
    (Total, "total", &["ordertotal", "total", "grandtotal", "totalamount", "totalprice", "orderamount", "amount", "revenue", "dollars", "총결제금액", "최종결제금액", "실결제금액", "결제금액", "총주문금액", "주문금액", "주문총액", "총금액", "총액", "합계", "금액"]),
    (Currency, "currency", &["currency", "currencycode", "통화"]),
    (Status, "status", &["orderstatus", "financialstatus", "paymentstatus", "status", "주문상태", "결제상태", "상태", "주문처리상태"]),
    (Cancelled, "cancelled_at", &["cancelledat", "canceledat", "refundedat", "취소일시", "취소일", "환불일", "환불일시"]),
    (Product, "product", &["lineitemname", "productname", "itemname", "product", "item", "description", "상품명", "제품명", "품명", "주문상품명", "상품"]),
    (ProductId, "product_id", &["productid", "stockcode", "itemid", "상품번호", "상품id", "상품코드", "제품코드"]),
    (Sku, "sku", &["lineitemsku", "sku", "variantsku", "productsku", "자체상품코드", "품번", "옵션코드"]),
    (Price, "price", &["lineitemprice", "unitprice", "itemprice", "price", "단가", "판매가", "상품가격", "상품구매금액", "상품금액"]),
    (Quantity, "quantity", &["lineitemquantity", "quantity", "qty", "itemquantity", "units", "수량", "구매수량", "주문수량"]),
    (Category, "category", &["category", "productcategory", "producttype", "카테고리", "상품분류", "분류", "상품카테고리"]),
    (RefundOf, "refund_of", &["refundof", "refundedorder", "refundedorderid", "originalorderid", "originalordernumber", "originalorder", "parentorderid", "parentordernumber", "parentorder", "parentid", "원주문번호", "원주문id", "원주문"]),
];

/// Headings of what nobody needs to know for writing a mail, and so is not taken in: where things were sent to, how they
/// were paid, what was noted.
#[rustfmt::skip]
const PRIVATE: [&str; 28] = [
    "address", "street", "zip", "postal", "postcode", "city", "province", "billing", "shipping", "recipient", "card", "payment", "note", "memo", "ip", "phone", "주소", "우편", "배송", "수령", "수취", "받는", "전화", "계좌", "카드", "환불", "메모", "비고",
];

fn bare(heading: &str) -> String {
    let letters = heading.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

impl Known {
    pub fn name(self) -> &'static str {
        let entry = HEADINGS.iter().find(|(known, ..)| *known == self);
        entry.map_or("", |(_, name, _)| name)
    }
}

impl Column {
    pub fn name(&self) -> &str {
        match self {
            Column::Known(known) => known.name(),
            Column::Property(name) => name,
            Column::Ignored => "-",
        }
    }
}

/// Understands a header. `told` are the user's column=field pairs; `sample` gives a column's first value.
pub fn understood(
    headings: &[String],
    told: &[(String, String)],
    sample: impl Fn(usize) -> Option<String>,
) -> Result<Vec<Column>, String> {
    let mut columns: Vec<Option<Column>> = vec![None; headings.len()];
    for (column, field) in told {
        let at = column_named(headings, column)?;
        let known = HEADINGS.iter().find(|(_, name, _)| *name == field.trim());
        columns[at] = Some(match (known, field.trim()) {
            (Some((known, ..)), _) => Column::Known(*known),
            (None, "-" | "ignore" | "") => Column::Ignored,
            (None, name) => Column::Property(name.to_owned()),
        });
    }
    let names: Vec<String> = headings.iter().map(|h| bare(h)).collect();
    // Some platforms call the order's number its name: "#1001". All rows of an order bear it; its id, by which their
    // webhooks know it, only the first.
    let is_number = |at: &usize| sample(*at).is_some_and(|text| text.trim_start().starts_with('#'));
    let number = (names.iter()).position(|name| name == "name");
    if let Some(at) = number.filter(is_number).filter(|at| columns[*at].is_none()) {
        let told = (columns.iter()).position(|c| *c == Some(Column::Known(Order)));
        let id = (names.iter().zip(&columns)).position(|(n, c)| n == "id" && c.is_none());
        match told {
            Some(told) if names[told] != "id" => columns[at] = Some(Column::Ignored),
            _ => columns[at] = Some(Column::Known(Order)),
        }
        // Told or not, the id is that.
        let id = told
            .filter(|at| names[*at] == "id")
            .or(id.filter(|_| told.is_none()));
        if let Some(id) = id {
            columns[id] = Some(Column::Property(ORDER_ID.to_owned()));
        }
    }
    for (known, _, usual) in &HEADINGS {
        if columns.contains(&Some(Column::Known(*known))) {
            continue;
        }
        let free = |name: &&&str| {
            (0..names.len()).find(|at| names[*at] == ***name && columns[*at].is_none())
        };
        let Some(at) = usual.iter().find_map(|name| free(&name)) else {
            continue;
        };
        columns[at] = Some(Column::Known(*known));
    }
    for (at, column) in columns.iter_mut().enumerate() {
        let name = &names[at];
        let private = PRIVATE.iter().any(|word| match word.len() {
            2 => name == word,
            _ => name.contains(word),
        });
        column.get_or_insert_with(|| match name.is_empty() || private {
            true => Column::Ignored,
            false => Column::Property(property(&headings[at])),
        });
    }
    let columns: Vec<Column> = columns.into_iter().flatten().collect();
    let told = told.iter().map(|(column, _)| column.trim()).collect();
    check(headings, &columns, &told)?;
    Ok(columns)
}

/// A heading as events name their properties: `Order Channel` is `order_channel`.
pub(super) fn property(heading: &str) -> String {
    let words = heading
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

fn check(headings: &[String], columns: &[Column], told: &HashSet<&str>) -> Result<(), String> {
    let has = |known: Known| columns.contains(&Column::Known(known));
    let all = || headings.join(", ");
    for (known, what) in [
        (Time, "when the order was made"),
        (Customer, "who ordered: an id, or an email address"),
    ] {
        if !(has(known) || known == Customer && has(Email)) {
            return Err(format!(
                "no column says {what}; say which with --map \"COLUMN={}\". The columns are {}",
                known.name(),
                all()
            ));
        }
    }
    for (at, column) in columns.iter().enumerate() {
        let earlier = columns[..at].iter().position(|c| c == column);
        if let Some(earlier) = earlier.filter(|_| *column != Column::Ignored) {
            // Not what the user says of one, rather what was made of the other.
            let is_told = |at: usize| told.contains(headings[at].trim());
            let out = match is_told(at) && !is_told(earlier) {
                true => earlier,
                false => at,
            };
            return Err(format!(
                "columns {} and {} are both {}; leave one out with --map \"{}=-\"",
                quoted(&headings[earlier]),
                quoted(&headings[at]),
                column.name(),
                headings[out]
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::understood;

    fn shown(header: &str, told: &[(&str, &str)], first: &[&str]) -> Result<String, String> {
        let headings: Vec<String> = header.split(',').map(str::to_owned).collect();
        let told: Vec<_> = (told.iter())
            .map(|(column, field)| ((*column).to_owned(), (*field).to_owned()))
            .collect();
        let sample = |at: usize| first.get(at).map(|text| (*text).to_owned());
        let columns = understood(&headings, &told, sample)?;
        let names: Vec<&str> = columns.iter().map(|c| c.name()).collect();
        Ok(names.join(","))
    }

    #[test]
    fn exports_of_usual_shops_are_understood_by_their_headings() {
        for (header, first, want) in [
            // The research file of a record shop.
            (
                "customer,date,units,dollars",
                &[][..],
                "customer,time,quantity,total",
            ),
            // A platform whose orders have names, one row an item.
            (
                "Name,Email,Financial Status,Paid at,Accepts Marketing,Currency,Total,Created at,Lineitem quantity,Lineitem name,Lineitem price,Billing Name,Shipping Street,Discount Code",
                &["#1001"],
                "order_id,email,status,time,consent,currency,total,created_at,quantity,product,price,name,-,discount_code",
            ),
            (
                "주문번호,주문일시,주문자명,이메일,휴대폰,상품명,수량,결제금액,수신동의,배송지 주소,유입경로",
                &["20250301-1"],
                "order_id,time,name,email,phone,product,quantity,total,consent,-,유입경로",
            ),
            ("고객 ID,주문일,금액", &["k-1"], "customer,time,total"),
        ] {
            assert_eq!(shown(header, &[], first).as_deref(), Ok(want), "{header}");
        }
        let told = [("who", "customer"), ("when", "time"), ("what", "-")];
        assert_eq!(
            shown("who,when,what", &told, &[]).as_deref(),
            Ok("customer,time,-")
        );
    }

    #[test]
    fn the_number_of_an_order_may_be_told_beside_its_name() {
        let header = "Name,Email,Id,Ref,Created at";
        let first = [
            "#1001",
            "mina@customers.example",
            "5001",
            "R-1",
            "2026-03-01",
        ];
        for (told, want) in [
            // As without a word: rows of one order bear its name, and its id is what it is known by.
            (&[][..], "order_id,email,order_id,ref,time"),
            (&[("Id", "order_id")], "order_id,email,order_id,ref,time"),
            // A name that is a number is nobody's name.
            (&[("Ref", "order_id")], "-,email,id,order_id,time"),
            (
                &[("Name", "-"), ("Id", "order_id")],
                "-,email,order_id,ref,time",
            ),
        ] {
            let shown = shown(header, told, &first);
            assert_eq!(shown.as_deref(), Ok(want), "{told:?}");
        }
    }

    #[test]
    fn what_is_missing_is_told() {
        for (header, told, want) in [
            (
                "customer,units",
                &[][..],
                "no column says when the order was made; say which with --map \"COLUMN=time\". The columns are customer, units",
            ),
            (
                "date,total",
                &[],
                "no column says who ordered: an id, or an email address; say which with --map \"COLUMN=customer\". The columns are date, total",
            ),
            (
                "customer,date,who",
                &[("who", "customer"), ("customer", "customer")],
                "columns \"customer\" and \"who\" are both customer; leave one out with --map \"who=-\"",
            ),
            // What the user says stands.
            (
                "date,customer,Order Channel,way",
                &[("way", "order_channel")],
                "columns \"Order Channel\" and \"way\" are both order_channel; leave one out with --map \"Order Channel=-\"",
            ),
            (
                "customer,date",
                &[("mail", "email")],
                "there is no column \"mail\"; the columns are customer, date",
            ),
        ] {
            assert_eq!(shown(header, told, &[]), Err(want.to_owned()), "{header}");
        }
    }
}
