//! The example campaigns at work: for each a story of customers who get its mails, who don't and why, and who leave
//! half-way; told on a virtual clock through the real engine, with every mail as a snapshot in English and Korean.

mod app;

#[path = "example_campaigns/buying.rs"]
mod buying;
#[path = "example_campaigns/coming.rs"]
mod coming;
#[path = "example_campaigns/going.rs"]
mod going;
#[path = "example_campaigns/keeping.rs"]
mod keeping;
#[path = "example_campaigns/measured.rs"]
mod measured;
#[path = "example_campaigns/shop.rs"]
mod shop;
#[path = "example_campaigns/together.rs"]
mod together;
