/* Adds up while the buyer chooses a quantity. Sending once is the work of submit-once.js. */
(() => {
  "use strict";
  const quantity = document.getElementById("id_quantity");
  const yuan = (fen) => "¥" + (fen / 100).toFixed(2).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const fen = (text) => Math.round(Number(text) * 100);

  function add() {
    const goods = fen(quantity.dataset.price) * Number(quantity.value);
    document.getElementById("goods").textContent = yuan(goods);
    document.getElementById("total").textContent = yuan(goods + fen(quantity.dataset.shipping));
  }

  quantity.addEventListener("change", add);
  // After a reload or the back button the browser has put the choice back.
  window.addEventListener("pageshow", add);
})();
