// The browser knows the customer's time zone: taken where none is set, offered where another is. Choosing days or times
// chooses "only then". Nothing here is needed: the page works without it.
(function () {
  "use strict";
  var days = document.getElementById("hours");
  var own = document.getElementById("hours-own");
  if (days && own) {
    days.addEventListener("change", function (event) {
      var name = event.target.name;
      if (name === "day" || name === "from" || name === "to") { own.checked = true; }
    });
  }
  var zone = document.getElementById("zone");
  var note = document.getElementById("zone-found");
  var found;
  try { found = Intl.DateTimeFormat().resolvedOptions().timeZone; } catch (error) { return; }
  if (!zone || !note || !found || zone.value === found) { return; }
  function take() {
    var known = Array.prototype.some.call(zone.options, function (option) { return option.value === found; });
    if (!known) { zone.add(new Option(found, found)); }
    zone.value = found;
    note.textContent = zone.dataset.taken.replace("{}", found);
  }
  if (zone.value === "") { take(); return; }
  var button = document.createElement("button");
  button.type = "button";
  button.className = "link";
  button.textContent = zone.dataset.offer.replace("{}", found);
  button.addEventListener("click", function () { take(); zone.focus(); });
  note.appendChild(button);
})();
