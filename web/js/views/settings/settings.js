/** The settings in the history of the page: the address names the page that is shown, so that going back
 * and reloading work. */

import { addressWith, named } from "../../browser/address.js";
import { goBack, step } from "../parts/layers.js";
import { oneAtATime, SettingsDialog } from "./settings-dialog.js";

const NAME = "settings";

export class Settings {
  #messenger;
  #leave;
  #dialog = null;
  #place = null; // Where the history is while the dialog is open.

  /** `leave(reason)` is called when the account is gone. */
  constructor({ messenger, leave }) {
    this.#messenger = messenger;
    this.#leave = leave;
  }

  open(page = "") {
    step(() => {
      history.pushState({ ...history.state, fromList: false, settings: 1 }, "", addressWith(NAME, page));
      this.follow();
    });
  }

  /** Returns false if they stay open: the user does not want to lose what they typed. */
  close() {
    if (!this.#dialog) return true;
    if (!this.#dialog.isLeft()) return false;
    this.#remove();
    step(() => goBack(history.state.settings));
    return true;
  }

  /** Shows what the address says. */
  follow() {
    const page = named(NAME);
    const dialog = this.#dialog;
    if (page === null ? !dialog : dialog && this.#place.address === location.href) return;
    if (page === null ? !dialog.isLeft() : dialog && !dialog.isLeftFor(page)) {
      history.pushState(this.#place.state, "", this.#place.address);
      return;
    }
    if (page === null) {
      this.#remove();
      return;
    }
    if (!history.state?.settings) enter(page);
    this.#place = { state: history.state, address: location.href };
    this.#dialog ??= this.#made();
    this.#dialog.show(page);
  }

  /** Takes them away, and leaves the address as it is. */
  drop() {
    this.#dialog?.remove();
  }

  isUnsaved() {
    return Boolean(this.#dialog?.isUnsaved());
  }

  #made() {
    return new SettingsDialog({
      messenger: this.#messenger,
      leave: this.#leave,
      close: () => this.close(),
      go: (page) => this.#go(page),
      toList: () => this.#toList(),
    });
  }

  #go(page) {
    step(() => {
      const address = addressWith(NAME, page);
      const isNext = oneAtATime.matches && !named(NAME);
      if (isNext) history.pushState({ ...history.state, settings: history.state.settings + 1 }, "", address);
      else history.replaceState(history.state, "", address);
      this.follow();
    });
  }

  #toList() {
    step(() => {
      if (history.state.settings > 1) goBack();
      else this.#go("");
    });
  }

  #remove() {
    this.#dialog.remove();
    this.#dialog = null;
  }
}

/** The user came by a link: going back closes the settings then, too. */
function enter(page) {
  history.replaceState(null, "", addressWith(NAME, null));
  history.pushState({ settings: 1 }, "", addressWith(NAME, page));
}
